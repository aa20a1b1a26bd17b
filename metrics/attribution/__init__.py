"""Who earned a conversion: touches, journeys, models, credits. Pure: no clock, no network, no Faust.

A conversion (a lead with its stages, an order with its refunds) is credited to the touches of its person that came
strictly before it, within the lookback. Touches and conversions are both remembered, so that the credits are a function
of the set of facts and not of the order in which they came.
"""
