using Distributed.Hosting.Processes;
using Distributed.Worker.Commands;

return await CommandLine.RunAsync(WorkerCommands.Create(), args);
