"""How many examples a law gets: the profile says how many, a law only by which factor it differs.

The profiles, 8 examples for `make quick`, 30 for `make test` and 100 for `make verify`, are in tests/conftest.py.
"""

from hypothesis import HealthCheck, settings

#: Fewer say too little of a law, whatever the profile.
LEAST = 5


def examples(factor: float, *suppressed: HealthCheck) -> settings:
    """Settings of a law with ``factor`` times the examples of the profile; 1 for a law that takes milliseconds.

    What the profile suppresses stays suppressed.
    """
    count = max(LEAST, round(settings.default.max_examples * factor))
    return settings(
        max_examples=count, suppress_health_check={*settings.default.suppress_health_check, *suppressed}
    )


def rounds(thorough: int) -> int:
    """How many of ``thorough`` rounds a law without Hypothesis takes in this profile; mark it `law`."""
    return max(LEAST, thorough * settings.default.max_examples // settings.get_profile("verify").max_examples)
