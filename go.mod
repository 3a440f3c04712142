module codis

go 1.26
