using Distributed.Worker.Natives;

namespace Distributed.Worker.Tests.Natives;

public sealed class NativeHeapTests
{
    [Fact]
    public void The_allocator_here_takes_the_settings() => Assert.True(NativeHeap.KeepFreed());
}
