"""Whether outlier dimensions come from training: the smallest nano model under 16 recipes of training, measured."""
