#!/bin/sh
# Become a process of the stack that writes to a log of its own: run.sh COMMAND [ARGUMENT]...
exec </dev/null >>"$SEN2EXTRACT_LOG/$SUPERVISOR_PROCESS_NAME.log" 2>&1
exec "$@"
