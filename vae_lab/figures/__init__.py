"""Pictures of a trained model: tensors in, picture out."""
