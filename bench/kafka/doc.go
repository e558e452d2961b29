// Package kafka runs Apache Kafka for tests and measurements: the broker of the release
// named by Version, in KRaft mode, from its Maven jars, on 127.0.0.1 with free ports.
//
// The jars are fetched once by Maven into $XDG_CACHE_HOME/riposte and checked against the
// digests in jars.sha256 each time they are used. A JDK (17 or newer) and Maven are needed;
// what is missing is named with the command that installs it.
package kafka

// Version is the release that Install fetches, the one that pom.xml names.
const Version = "4.3.1"
