using Distributed.Worker.Training;
using TorchSharp;

namespace Distributed.Worker.Tests.Replicas;

public sealed class DevicesTests
{
    [Theory]
    [InlineData("cpu", 2, DeviceType.CPU, -1)]
    [InlineData("auto", 0, DeviceType.CPU, -1)]
    [InlineData("auto", 1, DeviceType.CUDA, 0)]
    [InlineData("cuda", 2, DeviceType.CUDA, 0)]
    [InlineData("cuda:1", 2, DeviceType.CUDA, 1)]
    public void A_device_name_resolves_to_an_available_device(string spec, int cudaDevices, DeviceType type, int index)
    {
        var device = Devices.Resolve(spec, () => cudaDevices);

        Assert.Equal((type, index), (device.type, device.index));
    }

    [Theory]
    [InlineData("cuda", 0, "no CUDA device was found")]
    [InlineData("cuda:2", 2, "cuda:0 to cuda:1")]
    [InlineData("cuda:-1", 2, "'cuda:N'")]
    [InlineData("cuda:x", 2, "'cuda:N'")]
    [InlineData("gpu", 2, "Unknown device 'gpu'")]
    [InlineData("", 2, "Unknown device ''")]
    public void A_refused_device_name_states_what_was_found_and_what_is_allowed(string spec, int cudaDevices, string words)
    {
        var refused = Assert.Throws<DeviceException>(() => Devices.Resolve(spec, () => cudaDevices));

        Assert.Contains(words, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_name_cpu_resolves_without_a_search_for_devices() =>
        Assert.Equal(DeviceType.CPU, Devices.Resolve("cpu", () => throw new InvalidOperationException()).type);
}
