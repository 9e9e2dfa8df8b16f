"""Commands of `hub topic` and `hub feed` that subscribers are served with."""
