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

# number(name) is a member of the event's data as a number: some shippers write it as text.
number(name) := to_number(member(name))

# service_image is the program of a service that was installed: the system log and the
# security log name it differently.
service_image := path if path := member("ImagePath")

else := member("ServiceFileName")
