"""Studies over runs and people: ablation grids, blinded comparisons by readers, run cards."""
