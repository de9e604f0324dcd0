"""Phases held by lease (DESIGN 6, rule 18): how all processes that use a route change its phase together.

The primary holds a *control object* per route, which says its phase. Every process re-reads it every few seconds; what it
read is good for a lease. A process that writes also keeps a *report* beside it: what it has seen, how many of its
operations are under way, how much of its journal is left. A *flip* is three writes of the control object, and a look at
the reports between them:

| control object | what processes do | what the operator's command waits for |
|---|---|---|
| phase A, paused | no new writes; reads, and reconciling what the journal holds, go on | nothing in flight, journals empty |
| phase B, paused, moving from A | read by B; still no writes | everyone reads by B, leases have run out |
| phase B | write by B | - |

So nobody writes by the new phase while somebody still reads by the old one, and nobody writes by both at once.

Three things make the reports trustworthy. A process writes only after it has read the control object *again* once its
report was stored: either the operator's listing shows the report, or that reading shows the pause. A report that was not
renewed in time is given up by its process, which goes on under another name: taking the old one away ("forgetting") can
never take away one that somebody relies on. And a report that says "nothing is left" seals its process: nothing begins
there any more until the control object changes.
"""
