package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

// understands has a console of Windows act on escape sequences, and reports whether it does. Windows Terminal does by
// itself, conhost only when told to, and what is older than Windows 10 never.
func understands(f *os.File) bool {
	var mode uint32
	console := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	return mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING != 0 ||
		windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
