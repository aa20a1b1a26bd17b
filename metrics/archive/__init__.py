"""Campaigns that are over: final figures as editions that never change (docs/archive.md). Pure; knows no broker."""
