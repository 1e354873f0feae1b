"""The liquidation hedge over one Backpack and two Lighter accounts."""
