"""Numbers that say how good a trained model is. No plotting, no training but that of the frozen classifier."""
