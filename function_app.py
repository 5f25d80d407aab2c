"""The Azure Functions app: triggers only. Each calls one verb of the package; what a verb needs is imported inside.

Azure's worker imports this file by its name at the app's root, beside host.json, driftguard/ and policies/.
Setting of the timer: DRIFT_SCAN_SCHEDULE, six fields, seconds first, UTC; `0 */15 * * * *` is every 15 minutes.
"""

import json
import logging

import azure.functions as func

from driftguard import __version__

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("healthz")
@app.route(route="healthz", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def healthz(req: func.HttpRequest) -> func.HttpResponse:
    """Says that the app is loaded and answers; it asks neither the store nor Azure."""
    return func.HttpResponse(json.dumps({"status": "ok", "version": __version__}), mimetype="application/json")


@app.function_name("drift_scan")
@app.timer_trigger(arg_name="timer", schedule="%DRIFT_SCAN_SCHEDULE%", run_on_startup=False, use_monitor=True)
def drift_scan(timer: func.TimerRequest) -> None:
    """Judges every job as a gate. Raises CannotTell where a job could not be judged: the invocation shows as failed."""
    from driftguard.errors import CannotTell
    from driftguard.guard.scan import gate_every_job
    from driftguard.settings import process_environment
    from driftguard.wiring import open_guard

    with open_guard(process_environment()) as guard:
        report = gate_every_job(guard)
    logging.info("drift scan: %s", json.dumps(report.summary(), sort_keys=True))
    if report.could_not_tell:
        raise CannotTell(
            f"the scan could not tell for {', '.join(report.could_not_tell)}",
            "nothing was let through; look at the scan's log line, the next scan tries again",
        )
