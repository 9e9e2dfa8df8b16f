"""What subscribers build on, tried as they would."""
