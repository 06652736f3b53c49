"""Statistics with numpy and scipy alone: intervals, paired differences, decisions, curves."""
