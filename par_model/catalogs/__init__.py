"""What other systems keep of the attribute table: their statements, their catalogs, and how their readers open it."""
