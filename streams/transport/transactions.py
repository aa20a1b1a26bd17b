"""Whether a broker lets us write in transactions, and if not, what to do; and why it ended one. No worker can do without (D3)."""

import asyncio

from aiokafka import AIOKafkaProducer, errors

from metrics.values.time import format_duration
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.connection_check import quiet_clients

#: Not one of a stage: whoever asks fences nobody who works.
_NAME = "roistream-probe"
_STOP_WITHIN_S = 2.0
#: What says that another producer has the transactional id now.
FENCED = (errors.ProducerFenced, errors.InvalidProducerEpoch)


def refusal(producer: AIOKafkaProducer | None, error: BaseException) -> BaseException:
    """Why a transaction failed: what the broker refused it with, else what the call raised.

    A refusal that comes between two calls ends aiokafka's transaction, and the next call only says that there is none. What
    its task of sending does not expect, an old epoch of the producer among them, is the cause of an error that names nothing.
    """
    if producer is not None:
        ended = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001 - aiokafka publishes no such state
        if ended is not None and ended.done() and not ended.cancelled():
            error = ended.exception() or error
    while type(error) is errors.KafkaError and error.__cause__ is not None:
        error = error.__cause__
    return error


async def why_no_transactions(settings: Settings, within_ms: int) -> str | None:
    """What stands between us and transactions, as a whole sentence that says what to do; None: nothing.

    A broker may list the request among its versions and fail it, so only trying it tells: a transactional producer is
    started and stopped again.

    Args:
        settings: where the broker is, and the timeout that transactions will have.
        within_ms: how long the broker may take; one that has just started makes the topic of its transactions first.
    """
    producer = AIOKafkaProducer(
        **aiokafka_options(settings),
        transactional_id=settings.topic(_NAME),
        transaction_timeout_ms=settings.session_timeout,
    )
    at = f"The broker at {', '.join(settings.bootstrap)}"
    try:
        with quiet_clients() as last_message:
            await asyncio.wait_for(producer.start(), within_ms / 1_000)
    except TimeoutError:
        said = last_message()
        return (
            f"{at} gives no coordinator of transactions or no producer id within {format_duration(within_ms)}"
            f"{f' ({said})' if said else ''}; look at its log. A cluster of "
            "fewer than three brokers needs transaction.state.log.replication.factor of at most their number."
        )
    except errors.TransactionalIdAuthorizationFailed:
        return (
            f"{at} does not let this user write in transactions; grant it Write and Describe on transactional ids that "
            f"begin with {settings.topic('roistream-')!r}."
        )
    except errors.InvalidTransactionTimeout:
        return (
            f"{at} allows no transaction of {format_duration(settings.session_timeout)}; lower ROISTREAM_SESSION_TIMEOUT, "
            "or raise the broker's transaction.max.timeout.ms."
        )
    except errors.KafkaError as error:
        return (
            f"{at} has no transactions ({type(error).__name__}), without which two owners of a partition could both write; "
            "use Apache Kafka 3 or later, or a service that has transactions."
        )
    finally:
        # One that has found no coordinator looks for it as long as it is not cancelled.
        await stop_client(producer, _STOP_WITHIN_S)
    return None
