"""The textbook: what published services of the same contract do, to be measured against."""
