"""Keeping what lives equal to what is wanted: plan, keep, escalate, end in order."""
