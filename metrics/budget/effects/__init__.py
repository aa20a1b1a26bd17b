"""What becomes of an action on the ad platform: wishes, effects, caps, rounding. Pure; knows no platform's interface and no clock."""
