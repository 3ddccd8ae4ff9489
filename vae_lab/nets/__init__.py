"""Encoders and decoders. No probability, no loss."""
