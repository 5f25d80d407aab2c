"""The Azure Functions app: triggers only. Each calls one verb of the package; what a verb needs is imported inside.

Azure's worker imports this file by its name at the app's root, beside host.json, driftguard/ and policies/.
Settings of the timers, six fields, seconds first, UTC: DRIFT_SCAN_SCHEDULE (`0 */15 * * * *` is every 15 minutes) and
DRIFT_DELIVER_SCHEDULE (`0 * * * * *` is every minute).

Rules:
- The web application stands behind `api`, which asks for the function key as a second factor, and behind `ui` and `readyz`,
  which browsers and probes call without one. Who calls is proven by the token alone.
- Nothing is imported here that an answer of `healthz` does not need.
- A timer that comes late, or twice at once, does what it would have done: the verbs are made for that.
- An invocation shows as failed where something was left undone that the next one may not make good.
"""

import json
import logging

import azure.functions as func

from driftguard import __version__

ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # the web application says which it takes

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("api")
@app.route(route="api/{*rest}", methods=ALL_METHODS, auth_level=func.AuthLevel.FUNCTION)
async def api(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The HTTP interface."""
    from driftguard.entry.function_service import service

    return await service.answer(req, context)


@app.function_name("ui")
@app.route(route="ui/{*rest}", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
async def ui(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The pages for people."""
    from driftguard.entry.function_service import service

    return await service.answer(req, context)


@app.function_name("healthz")
@app.route(route="healthz", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def healthz(req: func.HttpRequest) -> func.HttpResponse:
    """Says that the app is loaded and answers; it asks neither the store nor Azure."""
    answer = json.dumps({"status": "ok", "version": __version__})
    return func.HttpResponse(answer, mimetype="application/json", headers={"Cache-Control": "no-store"})


@app.function_name("readyz")
@app.route(route="readyz", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def readyz(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Says whether policy, store, keys, anchors and identity provider are in order."""
    from driftguard.entry.function_service import service

    return await service.answer(req, context)


@app.function_name("drift_scan")
@app.timer_trigger(arg_name="timer", schedule="%DRIFT_SCAN_SCHEDULE%", run_on_startup=False, use_monitor=True)
def drift_scan(timer: func.TimerRequest, context: func.Context) -> None:
    """Judges every job as a gate. Raises CannotTell where a job could not be judged: the invocation shows as failed."""
    from driftguard.entry.function_service import service
    from driftguard.errors import CannotTell
    from driftguard.guard.scan import gate_every_job

    _say_when_late("drift scan", timer)
    with service.invocation(context) as guard:
        report = gate_every_job(guard)
    logging.info("drift scan: %s", json.dumps(report.summary(), sort_keys=True))
    if report.could_not_tell:
        raise CannotTell(
            f"the scan could not tell for {', '.join(report.could_not_tell)}",
            "nothing was let through; look at the scan's log line, the next scan tries again",
        )


@app.function_name("deliver_notes")
@app.timer_trigger(arg_name="timer", schedule="%DRIFT_DELIVER_SCHEDULE%", run_on_startup=False, use_monitor=True)
def deliver_notes(timer: func.TimerRequest, context: func.Context) -> None:
    """Sends the notes that are due. Raises StoreUnavailable, BadConfiguration; a note that waits for its ticket system
    is logged and is no failure: it is tried again by itself."""
    from driftguard.entry.function_service import service
    from driftguard.guard.deliver import deliver_due, waiting
    from driftguard.render.untrusted import one_line

    _say_when_late("delivery of notes", timer)
    with service.invocation(context) as guard:
        results = deliver_due(guard)
    left = waiting(results)
    for note in left:
        where = f"{note.event} of halt {note.halt} for {note.target}, job {note.job}"
        logging.warning("note not sent: %s", one_line(f"{where}: {note.problem}; next try {note.next_at}", 1000))
    logging.info("delivery of notes: %d sent, %d wait", len(results) - len(left), len(left))


def _say_when_late(what: str, timer: func.TimerRequest) -> None:
    if timer.past_due:
        logging.warning("%s: late; the time at which it was due has passed", what)
