"""Who gets the events: brokers, relay, the operator's desk and alarms, what subscribers build on."""
