"""Values: money, time, currency, shares, hashes of texts, errors."""
