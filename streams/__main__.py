"""The command line: ``roistream demo | worker | topics | replay | ingest | collect | apply | erase | tail | board | backtest | customers | status | explain | recover | doctor``."""

import gc
import inspect
from collections.abc import Callable
from enum import StrEnum
from gettext import gettext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metrics.values.errors import RoistreamError
from streams.catalogues import ENGLISH, said, speak
from streams.commands.usage import SpokenGroup
from streams.process import quiet_clients

if TYPE_CHECKING:
    from streams.settings import Settings

_EXIT_REFUSED = 2

app = typer.Typer(
    name="roistream",
    cls=SpokenGroup,
    help="Real-time KPI processor for marketing spend. Settings are ROISTREAM_* variables; see the README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"roistream {version('roistream')}")
        raise typer.Exit


@app.callback()
def _options(
    shows_version: Annotated[
        bool,
        typer.Option("--version", help="Say which version this is.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Options before the command."""
    del shows_version


def _end(command: Callable[[], int]) -> None:
    """Exit with the command's code; an error of ours is one line, not a traceback."""
    try:
        code = command()
    except RoistreamError as error:
        typer.echo(f"roistream: {said(str(error))}", err=True)
        code = _EXIT_REFUSED
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def _with_settings(command: "Callable[[Settings], int]") -> None:
    from streams.settings import load  # noqa: PLC0415 - they know policies and windows, which `--help` need not wait for

    _end(lambda: command(load()))


@app.command()
def demo(
    seconds: Annotated[
        float | None, typer.Option(help="Stop by itself after so many seconds; else at Ctrl-C.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Clicks per second, all campaigns together.")] = 50.0,
    campaigns: Annotated[int, typer.Option(help="How many campaigns.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 7,
    port: Annotated[int | None, typer.Option(help="HTTP port of the worker; 0 takes a free one.")] = None,
    timelapse: Annotated[
        float, typer.Option(help="Simulated seconds per real second; 1 is real time.")
    ] = 1.0,
    picture: Annotated[Path | None, typer.Option(help="Draw the table as SVG here when it ends.")] = None,
    keep: Annotated[Path | None, typer.Option(help="A folder in which this demo goes on next time.")] = None,
) -> None:
    """Show the whole product on this machine: broker, cache, worker, seeded traffic, live table."""
    from streams.demo.options import DemoOptions  # noqa: PLC0415
    from streams.demo.run import run  # noqa: PLC0415 - each command loads only what it needs

    options = DemoOptions(seconds, rate, campaigns, seed, port, timelapse, picture, keep)
    _end(lambda: run(options))


@app.command()
def worker(
    accept_dead_letters: Annotated[
        int, typer.Option(help="Let so many refused records pass the dead-letter limit.", min=0)
    ] = 0,
) -> None:
    """Run one worker of the processor."""
    gc.disable()  # what is made while it starts stays; `tune` goes on from there
    from streams.runtime.kernel_image import prepare  # noqa: PLC0415

    prepare()  # before anything is imported that has kernels
    from streams.worker import run  # noqa: PLC0415

    _with_settings(lambda settings: run(settings, accept_dead_letters))


@app.command()
def topics() -> None:
    """Create or check the topics; say what differs."""
    from streams.transport.topic_admin import run  # noqa: PLC0415

    _with_settings(run)


@app.command()
def replay(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders: CSV, JSON, Parquet, Excel, also zipped.")
    ],
    mapping: Annotated[
        str | None,
        typer.Option(help="A TOML file, or a built-in mapping (without: the one that the header fits)."),
    ] = None,
    speed: Annotated[float, typer.Option(help="0 = as fast as possible, 1 = as it happened.")] = 0.0,
    limit: Annotated[int | None, typer.Option(help="At most so many records.")] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Write JSON lines, produce nothing.")] = False,
    frame: Annotated[
        list[str],
        typer.Option(help="How files are written, where it is not found: key=value, such as decimal=,."),
    ] = [],  # noqa: B006 - typer copies it
    strict: Annotated[bool, typer.Option("--strict", help="Warnings stop the replay.")] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="A CSV file for every row that gave no record, with its reason.")
    ] = None,
) -> None:
    """Read files, map them to records, produce them."""
    from streams.replay.run import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings,
            paths,
            mapping,
            speed=speed,
            limit=limit,
            print_only=print_only,
            frame=frame,
            strict=strict,
            rejects=rejects,
        )
    )


class _Protocol(StrEnum):
    SINGER = "singer"
    AIRBYTE = "airbyte"


@app.command()
def ingest(
    protocol: Annotated[_Protocol, typer.Argument(help="How the connector speaks.")],
    mapping: Annotated[str, typer.Option(help="A TOML file, or a built-in mapping.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="After --: the connector and its arguments; without: its lines on standard input."
        ),
    ] = None,
    connection: Annotated[
        str | None, typer.Option(help="Name under which its state is kept; without: the mapping's.")
    ] = None,
    stream: Annotated[list[str], typer.Option(help="Only this stream; may be given several times.")] = [],  # noqa: B006
    frame: Annotated[
        list[str], typer.Option(help="How values are written: key=value, such as timezone=Europe/Paris.")
    ] = [],  # noqa: B006
    every: Annotated[str | None, typer.Option(help="Run again after so long, such as 15m.")] = None,
    print_state: Annotated[
        bool, typer.Option("--print-state", help="Write the kept state, run nothing.")
    ] = False,
) -> None:
    """Run a Singer tap or an Airbyte source, map what it says, and keep where it stands."""
    from streams.ingest.run import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings,
            protocol.value,
            mapping,
            command or [],
            connection=connection,
            streams=stream,
            frame=frame,
            every=every,
            shows_state=print_state,
        )
    )


@app.command()
def collect() -> None:
    """Take events of sites and webhooks over HTTP; answer when the broker has them."""
    from streams.collect.server import run  # noqa: PLC0415

    _with_settings(run)


@app.command()
def apply(
    platforms: Annotated[
        Path | None, typer.Option(help="A TOML file that says how ad platforms are reached: docs/apply.md.")
    ] = None,
    carry_out: Annotated[
        bool, typer.Option("--carry-out", help="Ask the platforms; without it nothing is sent.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when everything is settled.")] = False,
    per_hour: Annotated[int, typer.Option(help="At most so many writes an hour.", min=1)] = 30,
    per_day: Annotated[int, typer.Option(help="At most so many writes a day.", min=1)] = 200,
    watch_every: Annotated[
        str, typer.Option(help="How often to look for what people change on the platforms.")
    ] = "15m",
) -> None:
    """Carry out budget actions on the ad platforms, or say what would be carried out (without --carry-out)."""
    from streams.apply.run import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings,
            platforms,
            carries_out=carry_out,
            once=once,
            per_hour=per_hour,
            per_day=per_day,
            watch_every=watch_every,
        )
    )


@app.command()
def mappings(
    name: Annotated[str | None, typer.Argument(help="Show this mapping, or: suggest.")] = None,
    file: Annotated[Path | None, typer.Argument(help="With suggest: a file to begin a mapping for.")] = None,
) -> None:
    """List the built-in mappings, show one, or begin one of your own: mappings suggest FILE."""
    from streams.replay.mappings_command import run  # noqa: PLC0415

    _end(lambda: run(name, file))


@app.command()
def erase(
    visitor: Annotated[str | None, typer.Option(help="The visitor_id of the person.")] = None,
    customer: Annotated[str | None, typer.Option(help="Their customer_id.")] = None,
    lead: Annotated[str | None, typer.Option(help="Their lead_id.")] = None,
) -> None:
    """Forget a person, by all ids of theirs that you know: touches, links, paths. Figures stay."""
    from streams.commands.erase import run  # noqa: PLC0415

    _with_settings(lambda settings: run(settings, visitor, customer, lead))


@app.command()
def tail(
    campaign: Annotated[str | None, typer.Option(help="Only this campaign.")] = None,
    window: Annotated[str | None, typer.Option(help="Only this window: 1m, 1h, 1d or total.")] = None,
    from_beginning: Annotated[bool, typer.Option(help="From the first record kept.")] = False,
    json: Annotated[bool, typer.Option(help="One JSON record a line.")] = False,
) -> None:
    """Follow campaign-kpis as a readable table."""
    from streams.commands.tail import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings, campaign=campaign, window=window, from_beginning=from_beginning, json=json
        )
    )


@app.command()
def board() -> None:
    """Serve the board: web page, HTTP API, and the webhook of Alertmanager."""
    from streams.board.server import run  # noqa: PLC0415

    _with_settings(run)


@app.command()
def backtest(
    path: Annotated[Path | None, typer.Argument(help="CSV or JSON Lines; the topic when left away.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="careful, standard or bold; the configured policies when left away.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON object.")] = False,
    worlds: Annotated[
        bool, typer.Option("--worlds", help="Try the policy on simulated campaigns instead of a history.")
    ] = False,
    world: Annotated[list[str] | None, typer.Option(help="One of the worlds; all when left away.")] = None,
    boards: Annotated[int, typer.Option(min=1, help="Simulated boards of 50 campaigns in each world.")] = 10,
) -> None:
    """Say what a budget policy would have saved or lost over recorded hours, or does to healthy and to bad campaigns."""
    from metrics.budget.policy import preset as policies_of  # noqa: PLC0415
    from metrics.budget.worlds import Trial  # noqa: PLC0415
    from streams.commands import backtest as history  # noqa: PLC0415
    from streams.commands import worlds as simulated  # noqa: PLC0415

    def start(settings: "Settings") -> int:
        policies = settings.policies if preset is None else policies_of(preset)
        if worlds or world:
            return simulated.run(policies, Trial(boards=boards), world or (), as_json=as_json)
        return history.run(settings, path, policies, as_json=as_json)

    _with_settings(start)


#: Options of commands that read files of orders and of spend.
_Spend = Annotated[
    list[Path],
    typer.Option(help="A file or folder of spend by campaign and day, or reports of an ad platform."),
]
_SpendMapping = Annotated[str | None, typer.Option(help="The same as --mapping, for the spend.")]
_SpendColumn = Annotated[
    list[str],
    typer.Option(help="The same as --column, for campaign_id, day, spend and currency of the spend."),
]
_OrdersUntil = Annotated[
    str | None,
    typer.Option(
        help="The first day of which orders are not complete; without: the day after the last record."
    ),
]


@app.command()
def customers(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders of orders: CSV, JSON, Parquet, Excel, also zipped.")
    ],
    mapping: Annotated[
        str | None,
        typer.Option(help="A TOML file, or a built-in mapping (without: the one that the header fits)."),
    ] = None,
    column: Annotated[
        list[str],
        typer.Option(
            help="A field and the column that has it, such as customer_id=Client; also occurred_at, revenue, order_id, kind, campaign_id."
        ),
    ] = [],  # noqa: B006 - typer copies it
    frame: Annotated[
        list[str],
        typer.Option(help="How files are written, where it is not found: key=value, such as decimal=,."),
    ] = [],  # noqa: B006
    spend: _Spend = [],  # noqa: B006
    spend_mapping: _SpendMapping = None,
    spend_column: _SpendColumn = [],  # noqa: B006
    by: Annotated[
        str | None,
        typer.Option(
            help="What cohorts are by: month or week, campaign, or month,campaign or week,campaign."
        ),
    ] = None,
    cohorts: Annotated[
        str | None,
        typer.Option(
            help="What cohorts and retention go by: month or week (without: what --by names, else the setting CUSTOMER_COHORTS)."
        ),
    ] = None,
    until: _OrdersUntil = None,
    horizon: Annotated[
        float, typer.Option(help="Months that the expected lifetime value reaches ahead.")
    ] = 12.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    surveys: Annotated[
        list[Path], typer.Option(help="A file or folder of answers: occurred_at, score, kind, customer_id.")
    ] = [],  # noqa: B006
    tickets: Annotated[
        list[Path], typer.Option(help="The same of tickets: occurred_at, ticket_id, stage, customer_id.")
    ] = [],  # noqa: B006
    subscriptions: Annotated[
        list[Path],
        typer.Option(help="The same of contracts: occurred_at, subscription_id, kind, term, customer_id."),
    ] = [],  # noqa: B006
    referrals: Annotated[
        list[Path], typer.Option(help="The same of who was brought: occurred_at, referrer_id, customer_id.")
    ] = [],  # noqa: B006
    activations: Annotated[
        list[Path], typer.Option(help="The same of who was activated: occurred_at, customer_id.")
    ] = [],  # noqa: B006
) -> None:
    """Say what customers are worth, from files of orders: cohorts, retention, lifetime value, what they cost."""
    from streams.customers.run import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings,
            paths,
            mapping,
            columns=column,
            frame=frame,
            spend=spend,
            spend_mapping=spend_mapping,
            spend_columns=spend_column,
            by=by,
            cohorts=cohorts,
            until=until,
            horizon=horizon,
            seed=seed,
            as_json=as_json,
            events={
                "surveys": surveys,
                "tickets": tickets,
                "subscriptions": subscriptions,
                "referrals": referrals,
                "activations": activations,
            },
        )
    )


@app.command()
def lift(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of the orders of both arms.")],
    campaign: Annotated[str, typer.Option(help="Whose effect is asked for, as orders and spend name it.")],
    holdout: Annotated[str, typer.Option(help="The share of people who are held out, such as 10%.")],
    start: Annotated[str, typer.Option(help="The first day of the test.")],
    until: _OrdersUntil = None,
    people: Annotated[
        list[Path], typer.Option(help="A file of who was assigned to which arm: person, arm, assigned_at.")
    ] = [],  # noqa: B006 - typer copies it
    person_column: Annotated[
        list[str], typer.Option(help="A field and the column that has it, such as person=visitor.")
    ] = [],  # noqa: B006
    salt: Annotated[
        str | None, typer.Option(help="Without a list: the text of the rule by hash, see docs/lift.md.")
    ] = None,
    window: Annotated[
        int, typer.Option(help="Days that a person's orders count from the first one on.")
    ] = 14,
    mapping: Annotated[
        str | None, typer.Option(help="Of the orders: a TOML file, or a built-in mapping.")
    ] = None,
    column: Annotated[
        list[str],
        typer.Option(help="A field of an order and the column that has it, such as customer_id=Client."),
    ] = [],  # noqa: B006
    spend: _Spend = [],  # noqa: B006
    spend_mapping: _SpendMapping = None,
    spend_column: _SpendColumn = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what came because of a campaign, from files of orders and of who was held out. Exit code 1: the arms were not drawn as stated."""
    from streams.lift.run import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings,
            paths,
            campaign,
            holdout,
            start,
            until=until,
            people=people,
            people_columns=person_column,
            salt=salt,
            window=window,
            mapping=mapping,
            columns=column,
            spend=spend,
            spend_mapping=spend_mapping,
            spend_columns=spend_column,
            as_json=as_json,
        )
    )


archive_app = typer.Typer(
    no_args_is_help=True, help="Campaigns that are over: keep their final figures, export and compare them."
)
app.add_typer(archive_app, name="archive")
_Model = Annotated[str, typer.Option(help="declared, or an attribution model.")]


@archive_app.command("update")
def archive_update(
    after: Annotated[
        str, typer.Option(help="How long after its end a campaign has what is to come; events tell the time.")
    ] = "30d",
    campaign: Annotated[
        str | None,
        typer.Option(help="Only this one, whether it is over or not, such as before it is withdrawn."),
    ] = None,
) -> None:
    """Write the final figures of campaigns that are over onto campaign-archive; once, and again where they were corrected."""
    from streams.archive.update import run  # noqa: PLC0415

    _with_settings(lambda settings: run(settings, after, campaign))


@archive_app.command("export")
def archive_export(
    path: Annotated[Path, typer.Argument(help="A file that ends in .parquet or .csv.")],
    model: _Model = "declared",
) -> None:
    """Write the archive as a file, a row for each campaign, as roistream forecast reads it."""
    from streams.archive.files import export  # noqa: PLC0415

    _with_settings(lambda settings: export(settings, path, model))


@archive_app.command("compare")
def archive_compare(
    campaigns: Annotated[
        list[str] | None, typer.Argument(help="Campaigns; without: all that are archived.")
    ] = None,
    model: _Model = "declared",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show archived campaigns side by side."""
    from streams.archive.files import compare  # noqa: PLC0415

    _with_settings(lambda settings: compare(settings, campaigns or [], model, as_json=as_json))


@app.command()
def forecast(
    archive: Annotated[
        list[Path],
        typer.Option(
            help="Files or folders of past campaigns: a row for each campaign, or for each of its days."
        ),
    ],
    plan: Annotated[
        Path | None,
        typer.Argument(
            help="A TOML file: campaign_id, budget, days or starts_at and ends_at, target, offer, channel, objective."
        ),
    ] = None,
    column: Annotated[
        list[str], typer.Option(help="A field and the column that has it, such as spend=Cost.")
    ] = [],  # noqa: B006 - typer copies it
    check: Annotated[
        bool, typer.Option(help="Instead of a plan: forecast each past campaign from the others.")
    ] = False,
    score: Annotated[
        Path | None,
        typer.Option(help="Instead of a plan: a forecast that --json printed, to compare with what came."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a planned campaign may bring, learned from campaigns that are over, with intervals."""
    from streams.forecast.run import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(
            settings, plan, archive, columns=column, check=check, score=score, seed=seed, as_json=as_json
        )
    )


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """One screen: workers, how old figures are, what waits, what needs attention. Exit code 1: something holds figures up."""
    from streams.commands import status as command  # noqa: PLC0415

    _with_settings(lambda settings: command.status(settings, as_json=as_json))


@app.command()
def explain(
    campaign: Annotated[str, typer.Argument(help="The campaign's id.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print card and readings as one JSON object.")
    ] = False,
) -> None:
    """Say why a campaign stands where it stands, and what its figures are made of."""
    from streams.commands import status as command  # noqa: PLC0415

    _with_settings(lambda settings: command.explain(settings, campaign, as_json=as_json))


@app.command()
def recover(
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Go on with the logs as they are; after a restore from backup too."),
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Forget what is kept, and compute everything from the sources.")
    ] = False,
    from_what_is_left: Annotated[
        bool,
        typer.Option("--from-what-is-left", help="With --rebuild: though the sources have lost records."),
    ] = False,
) -> None:
    """Say what differs between what is kept and the logs it was made from; mend it, while no worker runs."""
    from streams.commands.recover import run  # noqa: PLC0415

    _with_settings(
        lambda settings: run(settings, accept=accept, rebuild=rebuild, from_what_is_left=from_what_is_left)
    )


@app.command()
def doctor() -> None:
    """Check settings, broker, topics, Redis, clock and port; say what to do."""
    from streams.commands.doctor import run  # noqa: PLC0415

    _with_settings(run)


def _put_into_words(command: Any) -> None:
    """Let a command and all below it say their help in the language that gettext speaks."""
    command.help = command.help and gettext(inspect.cleandoc(command.help))
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = gettext(parameter.help)
    help_option = command.get_help_option

    def spoken(context: Any) -> Any:
        option = help_option(context)
        if option is not None:
            option.help = gettext(option.help)
        return option

    command.get_help_option = spoken
    for each in getattr(command, "commands", {}).values():
        _put_into_words(each)


def main() -> None:
    """Entry point of ``roistream``."""
    quiet_clients()
    command = typer.main.get_command(app)
    if speak() != ENGLISH:
        _put_into_words(command)
    command(prog_name="roistream")


if __name__ == "__main__":
    main()
