// Package file reads recorded events from files, one record per line, for `riposte feed`
// and `riposte up --replay`. It only reads: producing to the raw topics is the caller's.
//
// A folder tree is read as a folder per source: the name of the nearest folder that names a
// source decides where a line goes (Folders lists the names). The order is that of the
// paths, byte by byte, and the key of a record is a hash of its line, so that reading the
// same files again gives the same records in the same order and identical lines meet in
// one partition. Nothing is left out silently: files that are not read, lines that were cut
// and lines that are blank are counted and named.
package file
