"""The demonstration: generated records with known defects, four small agency systems, and the run that proves itself."""
