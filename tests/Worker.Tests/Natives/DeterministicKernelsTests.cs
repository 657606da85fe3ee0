using System.Runtime.InteropServices;
using Distributed.Worker.Natives;
using Distributed.Worker.Tests.Replicas;
using TorchSharp;

namespace Distributed.Worker.Tests.Natives;

[Collection(TorchTests.Name)]
public sealed unsafe class DeterministicKernelsTests
{
    [Fact]
    public void Libtorch_reports_the_requested_settings()
    {
        DeterministicKernels.Request();
        var library = NativeLibrary.Load("torch_cpu", typeof(torch).Assembly, null);
        var context = ((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "_ZN2at13globalContextEv"))();
        bool Says(string getter) => ((delegate* unmanaged<nint, byte>)NativeLibrary.GetExport(library, getter))(context) != 0;
        Assert.True(Says("_ZNK2at7Context18deterministicCuDNNEv"));
        Assert.False(Says("_ZNK2at7Context14benchmarkCuDNNEv"));
    }
}
