"""What is minimised. No networks of the model in here."""
