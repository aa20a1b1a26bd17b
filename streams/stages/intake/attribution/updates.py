"""What a record says of a conversion that models credit: from events and entries to updates of journeys. Pure."""

from collections.abc import Iterator

from metrics.attribution.conversion_lag import LEAD, ORDER
from metrics.attribution.identity_graph import customer_hash, lead_hash, visitor_hash
from metrics.entities.leads import LeadEntry
from metrics.entities.leads import contributions as lead_counts
from metrics.entities.orders import FirstOrder, OrderEntry
from metrics.entities.orders import contributions as order_counts
from metrics.records.events import Erasure, Lead, Order
from metrics.records.namespaces import namespaced
from streams.stages.intake.attribution.facts import ConversionUpdate, PersonIds

_NOBODY = PersonIds(None, ())


def ids_of(event: Order | Erasure) -> PersonIds:
    """Hashes of the ids that a record names."""
    visitor = None if event.visitor_id is None else visitor_hash(event.visitor_id)
    lead = None if event.lead_id is None else namespaced(event.source, event.lead_id)
    others = ((lead_hash, lead), (customer_hash, event.customer_id))
    return PersonIds(visitor, tuple([hashed(text) for hashed, text in others if text is not None]))


def lead_update(key: str, event: Lead, entry: LeadEntry, seen_at: int) -> ConversionUpdate:
    """A lead, under its key, is credited as of its earliest record, whatever stage that has; later stages follow it."""
    visitor = None if event.visitor_id is None else visitor_hash(event.visitor_id)
    named = PersonIds(visitor, (lead_hash(key),))
    at = min([mark.at for mark in entry.marks if mark is not None])
    return ConversionUpdate(f"{LEAD}|{key}", at, named, lead_counts(entry), seen_at)


def order_update(key: str, event: Order, entry: OrderEntry, seen_at: int) -> ConversionUpdate:
    """An order, under its key, is credited as of its placement; what comes before that is known cannot be credited."""
    named = _NOBODY
    if entry.placed is not None and event.kind == "placed":
        named = ids_of(event)
    at = seen_at if entry.placed is None else entry.placed.at
    return ConversionUpdate(f"{ORDER}|{key}", at, named, order_counts(entry), seen_at)


def first_order_marks(known: FirstOrder | None, first: FirstOrder) -> Iterator[tuple[int, str, bool]]:
    """Conversions that are, or are no longer, the first order of a customer, where no record says so itself.

    Yields:
        The partition that counts the order (-1: the one that asks), the key of the conversion, whether it is the first.
    """
    is_other = known is None or (known.order_id, known.partition) != (first.order_id, first.partition)
    if known is not None and is_other and not known.is_flagged:
        yield known.partition, f"{ORDER}|{known.order_id}", False
    if is_other and not first.is_flagged:
        yield first.partition, f"{ORDER}|{first.order_id}", True
