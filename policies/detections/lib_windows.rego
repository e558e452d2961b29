# METADATA
# title: Windows events
# description: Windows events arrive flat or as Event documents; these functions read a member of either form, and file names from paths.
# custom:
#   owner: riposte
package riposte.lib.windows

# member(name) is a member of the event's data as Windows named it. Undefined if absent.
member(name) := v if v := input.unmapped[name]

else := input.unmapped.Event.EventData[name]

# file(path) is the last part of a Windows path in lower case.
file(path) := parts[count(parts) - 1] if parts := split(lower(path), `\`)
