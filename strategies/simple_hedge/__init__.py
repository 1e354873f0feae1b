"""Two venues, two legs: the lead enters as a maker, the follow leg hedges whatever fills, as it fills."""
