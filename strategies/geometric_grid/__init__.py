"""A grid of resting orders at prices in equal ratios: buys below, sells above, each fill answered one level further."""
