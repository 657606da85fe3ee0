using Distributed.Worker.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Replicas;

[Collection(TorchTests.Name)]
public sealed class ScalarsTests
{
    [Fact]
    public async Task A_scalar_lives_until_libtorch_has_read_it_despite_garbage_collection()
    {
        using var over = new CancellationTokenSource();
        var collector = Task.Run(() =>
        {
            while (!over.IsCancellationRequested)
            {
                GC.Collect(0);
                // New scalars reuse the memory that was freed.
                for (var i = 0; i < 50; i++) 0.25.ToScalar().Dispose();
            }
        });
        using (var scope = NewDisposeScope())
        {
            var (tensor, ones) = (zeros(4), TorchSharp.torch.ones(4));
            for (var i = 0; i < 3_000; i++)
            {
                using var step = NewDisposeScope();
                tensor.zero_().Add(1).MultiplyBy(6).DivideBy(2).AddTimes(ones, 1).AddProduct(ones, ones, 2).AddQuotient(ones, ones, 4);
                Assert.Equal(10, tensor.sum().item<float>() / 4);
            }
        }
        over.Cancel();
        await collector;
    }
}
