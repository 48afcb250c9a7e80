"""From chunks to tidy rows. All selection, intervals and correlations are computed here, once."""
