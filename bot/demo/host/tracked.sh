#!/bin/sh
# What keepalived asks every second: does the process that it tracks still run?
kill -0 "$(cat /run/tracked.pid 2>/dev/null)" 2>/dev/null
