package decide

// CheckDocument tells tests outside of the package what the decoder says.
func CheckDocument(p []byte) error {
	_, err := decodeDocument(p)
	return err
}

// CheckRuling tells tests outside of the package what the decoder says.
func CheckRuling(p []byte) error {
	_, err := decodeRuling(p)
	return err
}

// MaxFired tells tests outside of the package the bound.
const MaxFired = maxFired
