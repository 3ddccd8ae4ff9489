"""A trained model scored and pictured; samplers fitted to its codes and kept."""
