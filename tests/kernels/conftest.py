from hypothesis import settings

# The first example of a test pays for imports and compiled patterns; a deadline would measure those.
settings.register_profile("kernels", deadline=None)
settings.load_profile("kernels")
