"""``roistream apply``: carries out budget actions on the ad platforms by their official SDKs, and keeps what came of each."""
