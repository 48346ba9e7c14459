"""Figures: what runs have found and taken out, counted from their tallies and findings; nothing is screened again."""
