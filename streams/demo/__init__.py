"""The demo: a seeded world of campaigns and people, its ad platform, its traffic and its live table."""
