"""What becomes of an action on the ad platform: what is asked, effects, caps, rounding. Pure; knows no platform's interface and no clock."""
