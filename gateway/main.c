#include <stdio.h>

int main(void)
{
	puts("passerelle " PASSERELLE_VERSION);
	return 0;
}
