using Distributed.Worker.Natives;

namespace Distributed.Worker.Tests.Natives;

public sealed class NativeHeapTests
{
    [Fact]
    public void The_allocator_of_this_machine_accepts_the_settings() => Assert.True(NativeHeap.KeepFreed());
}
