"""Why a cycle went as it did: its time line out of the journal, cause by cause. Reads; changes nothing."""
