"""Several objectives: fused teachers, and the baselines that they are compared with."""
