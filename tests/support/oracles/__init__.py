"""Batch computations of what must come out, written apart from the code under test.

They know docs/contract.md and use only the standard library and DuckDB; they sort, group and add, slowly and
plainly. Each gives ``Expected``: (campaign_id, window, window_start_ms or None) to the sums of that window.
"""
