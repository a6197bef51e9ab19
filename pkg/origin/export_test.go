package origin

// Size is how much memory the text takes, in bytes, compressed.
func (s *Sources) Size() int {
	size := 0
	for _, b := range s.blocks {
		size += len(b.data.Value()) + len(b.first)
	}
	return size
}
